"""``python -m harness VERB``."""

from harness.bootstrap import enter_environment

if __name__ == "__main__":
    enter_environment(__file__)
    from harness.cli import main

    main()
