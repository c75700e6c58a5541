"""Virtual scenes: people of any source put side by side on the ground, before one camera (Sec. 4.3)."""
