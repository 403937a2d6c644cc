"""What annotation tools write, one file a format. A new one: a file here, a YAML in conf/data, a test."""
