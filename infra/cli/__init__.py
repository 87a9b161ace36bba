"""The lake on one machine: the emulator with the few things it fakes made real, and the commands."""
