"""HTTP adapters: any API behind the same door, from one YAML file."""
