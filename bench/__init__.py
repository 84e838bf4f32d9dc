"""How fast syncd is, as ratios against floors and peers in one run on one machine (`make bench`). Never part of the tests."""
