"""The machine that ganvas runs on: arithmetic, devices, memory, processes, random numbers, files."""
