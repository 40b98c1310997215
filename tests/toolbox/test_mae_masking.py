"""The four masking strategies: what is kept, what is hidden, and that padding changes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_bench.errors import UserError
from ttt_bench.toolbox.mae.autoencoder import MaskedAutoencoder, ViTShape
from ttt_bench.toolbox.mae.masking import STRATEGIES, Masking


def draw(ratio, strategy, tasks=4, batch=3, tokens=256, seed=0):
    rule = Masking(ratio, strategy, tasks)
    return rule, rule.mask(rule.noise(batch, tokens, torch.Generator().manual_seed(seed)), tokens)


@pytest.mark.parametrize(
    ("ratio", "tokens", "kept"),
    [
        *((0.8, 256, 51), (0.7, 256, 76), (0.75, 256, 64), (0.9, 256, 25), (0.5, 256, 128), (0.0, 256, 256)),
        *((0.8, 16, 3), (0.75, 16, 4), (0.99, 16, 1)),
    ],
)
def test_the_number_of_kept_tokens_is_the_truncated_product(ratio, tokens, kept):
    rule, mask = draw(ratio, "same", tokens=tokens)
    assert rule.keep(tokens) == kept
    assert mask.kept == kept
    torch.testing.assert_close(mask.removed().sum(1), torch.full((3,), float(tokens - kept)))


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.95), st.sampled_from(STRATEGIES), st.integers(1, 5), st.integers(0, 99))
def test_every_mask_is_consistent(ratio, strategy, tasks, seed):
    _, mask = draw(ratio, strategy, tasks, tokens=36, seed=seed)
    position = torch.arange(36).expand(3, -1)
    assert torch.equal(mask.order.gather(1, mask.restore), position)
    assert torch.equal(mask.order.sort(dim=1).values, position)
    assert 1 <= mask.kept <= 36
    if mask.parts is not None:
        assert torch.equal(mask.removed(), 1 - mask.parts.any(2).float())
    if mask.valid is not None:
        assert torch.equal(mask.valid.sum(1), (1 - mask.removed()).sum(1).long())
        assert mask.valid.sum(1).max() == mask.kept


def test_same_keeps_the_positions_with_the_smallest_noise():
    noise = torch.tensor([[0.9, 0.1, 0.5, 0.3]])
    mask = Masking(0.5, "same").mask(noise, 4)
    assert mask.positions.tolist() == [[1, 3]]
    assert mask.removed().tolist() == [[1, 0, 1, 0]]
    assert mask.take(torch.arange(4.0).view(1, 4, 1)).flatten().tolist() == [1, 3]


def test_random_draws_each_task_alone_and_keeps_the_same_number():
    _, mask = draw(0.8, "random", tasks=4)
    assert mask.parts.sum(1).tolist() == [[51] * 4] * 3
    overlap = (mask.parts[..., 0] & mask.parts[..., 1]).sum(1)
    assert (overlap < 51).all(), "tasks must not share their draw"
    assert mask.valid is not None, "the samples' unions differ in size, so there is padding"


def test_disjoint_tasks_never_share_a_token_when_there_is_room():
    rule, mask = draw(0.8, "disjoint", tasks=4)
    assert mask.parts.sum(1).tolist() == [[51] * 4] * 3
    assert mask.parts.sum(2).max() == 1
    assert mask.kept == 204
    assert mask.valid is None
    assert not rule.overlaps(256)


def test_disjoint_reuses_tokens_evenly_when_there_is_no_room_and_says_so():
    rule, mask = draw(0.5, "disjoint", tasks=4)
    assert rule.overlaps(256)
    assert mask.parts.sum(1).tolist() == [[128] * 4] * 3
    assert (mask.parts.sum(2) == 2).all()


@pytest.mark.parametrize(
    ("ratio", "tasks", "hidden"), [(0.8, 4, 3), (0.5, 4, 2), (0.3, 4, 2), (0.0, 4, 0), (0.8, 1, 0), (0.5, 3, 2)]
)
def test_task_hides_whole_tasks_and_removes_no_token(ratio, tasks, hidden):
    rule, mask = draw(ratio, "task", tasks)
    assert rule.hidden_tasks() == hidden
    assert mask.kept == 256
    assert mask.removed().sum() == 0
    assert (mask.parts.all(1).sum(1) == tasks - hidden).all()
    assert (mask.parts.any(1).sum(1) == tasks - hidden).all(), "a task is hidden everywhere or nowhere"


def test_samples_and_seeds_get_different_masks():
    for strategy in STRATEGIES[:3]:
        _, one = draw(0.8, strategy)
        _, again = draw(0.8, strategy)
        _, other = draw(0.8, strategy, seed=1)
        assert torch.equal(one.removed(), again.removed())
        assert not torch.equal(one.removed(), other.removed())
        assert not torch.equal(one.removed()[0], one.removed()[1])


@pytest.mark.parametrize("bad", [{"ratio": 1.0}, {"ratio": -0.1}, {"strategy": "sam"}])
def test_bad_settings_are_user_errors(bad):
    with pytest.raises(UserError):
        Masking(**bad)


SHAPE = ViTShape(patch=4, width=8, depth=2, heads=2, decoder_width=8, decoder_depth=1, decoder_heads=2)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sample_does_not_depend_on_its_batch(strategy):
    """Padding to the longest sample must not leak: every sample alone gives what it gives in the batch."""
    torch.manual_seed(0)
    model = MaskedAutoencoder(3 * 2, 5, SHAPE).double()
    maps = torch.randn(4, 6, 8, 8, dtype=torch.float64)
    rule = Masking(0.6, strategy, 3)
    noise = rule.noise(4, 16, torch.Generator().manual_seed(3))
    together = model(maps, 16, rule.mask(noise, 16))
    for i in range(4):
        alone = model(maps[i : i + 1], 16, rule.mask(noise[i : i + 1], 16))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_hidden_content_never_reaches_the_output(strategy):
    """Change everything the mask hides, per task and patch: the output stays, gradients there are zero."""
    torch.manual_seed(0)
    model = MaskedAutoencoder(3 * 2, 5, SHAPE).double()
    maps = torch.randn(2, 6, 16, 16, dtype=torch.float64, requires_grad=True)
    rule = Masking(0.6, strategy, 3)
    mask = rule.mask(rule.noise(2, 16, torch.Generator().manual_seed(3)), 16)
    visible = (1 - mask.removed()).bool().unsqueeze(2).expand(-1, -1, 3) if mask.parts is None else mask.parts
    pixels = visible.transpose(1, 2).reshape(2, 3, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    pixels = pixels.repeat_interleave(2, 1)
    out = model(maps, 16, mask)
    (gradient,) = torch.autograd.grad(out.square().sum(), maps)
    assert (gradient[~pixels] == 0).all()
    assert (gradient[pixels] != 0).all()
    changed = torch.where(pixels, maps, 100.0)
    torch.testing.assert_close(model(changed, 16, mask), out)


def test_the_decoder_puts_the_mask_token_exactly_at_the_removed_positions():
    torch.manual_seed(0)
    model = MaskedAutoencoder(2, 1, SHAPE)
    _, mask = draw(0.8, "random", tasks=2, batch=4, tokens=16)
    assert mask.valid is not None
    seen = []
    model.decoder_blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.mask_token.data.fill_(123.0)
    model.decode(torch.zeros(4, mask.kept, 8), 16, mask)
    assert torch.equal((seen[0] > 100).all(2), mask.removed().bool())
