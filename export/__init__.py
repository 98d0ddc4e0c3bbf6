"""Training and export: from a data set to a bundle. Everything that needs torch is here."""
