"""The workshop: data in, a bundle out. Everything that needs torch lives here."""
