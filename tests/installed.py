"""Distributions as pip leaves them, for tests that bring plugins of their own."""


def leave_facts(site, distribution, package, version="1.0"):
    """Write the metadata of a distribution whose entry point is a package, beside that package in a folder."""
    facts = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {distribution}\nVersion: {version}\n")
    (facts / "entry_points.txt").write_text(f"[poseplug]\n{package.removeprefix('poseplug_')} = {package}\n")
