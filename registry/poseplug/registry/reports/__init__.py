"""Reports: what a data set of results says, as numbers, tables, pictures and one page."""
