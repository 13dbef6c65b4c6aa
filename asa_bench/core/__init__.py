"""The ground floor: errors, registries, seeds, fingerprints, files. Imports nothing of the package."""
