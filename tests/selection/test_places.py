"""Which images stand in for a target."""

import pytest

from ttt_bench.errors import UserError
from ttt_bench.selection.places import PROXIES, proxies_of


@pytest.mark.parametrize("target", ["rooms/studio+contrast:5", "cifar10c/contrast-5"])
def test_no_proxy_is_of_a_kind_that_the_target_is_made_of(target):
    assert proxies_of(target) == ("gaussian_noise:3", "defocus_blur:3", "jpeg_compression:3")


def test_a_target_made_of_every_kind_has_no_proxy():
    every = ">".join(f"cifar10c/{proxy.partition(':')[0]}-5" for proxy in PROXIES)
    with pytest.raises(UserError, match="every kind"):
        proxies_of(every)
