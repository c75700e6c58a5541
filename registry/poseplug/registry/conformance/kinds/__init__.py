"""How the kit uses components of each kind, and what each kind promises."""
