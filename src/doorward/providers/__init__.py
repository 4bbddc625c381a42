"""Who is upstream: providers, accounts, routes, prices, token counts."""
