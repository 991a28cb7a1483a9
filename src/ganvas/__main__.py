"""python -m ganvas, for torchrun."""

from ganvas.cli import main

if __name__ == "__main__":
    main()
