"""``python -m replyrank.serving`` is the command ``replyrank``."""

from replyrank.serving.cli import main

if __name__ == "__main__":
    main()
