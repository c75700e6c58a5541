"""The movements and bodies of the embedded reference."""
