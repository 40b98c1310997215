"""``python -m ttt_bench``."""

from ttt_bench.cli import main

if __name__ == "__main__":
    main()
