"""The care all connectors share: time and size limits, retries, rate limits, redirects and links that stay at home."""
