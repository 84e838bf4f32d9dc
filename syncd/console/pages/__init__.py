"""The pages: each reads what `syncd.view` tells and renders it; each form gives an order or changes a setting, and leads to a page."""
