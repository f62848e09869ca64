"""The config: one YAML file, checked against the schema, to one frozen `RunConfig`."""
