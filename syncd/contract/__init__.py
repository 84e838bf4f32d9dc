"""What a connector promises, whoever wrote it: the contract, how connectors are found, and the suite that each must pass."""
