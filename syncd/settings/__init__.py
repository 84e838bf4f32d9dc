"""The TOML file as models; each default stands once, beside its reason."""
