"""``folder`` and ``folder/<name>``: what data of your own say about themselves."""

from ttt_bench.domains.family import Family, Layout

FAMILY = Family(
    "folder",
    title="data of your own: pictures with labels, described by dataset.toml",
    tasks=("semseg", "depth", "normal", "edge", "class"),
    named_by_user=True,
    layouts=(
        Layout(
            "folder",
            holds="dataset.toml (it may be empty) and images/, with labels.csv or one folder per class, or beside "
            "semseg/, depth/, normal/ and edge/",
            has=("dataset.toml",),
            opens="reader:folder",
            checklist="checklist:checklist",
        ),
    ),
)
