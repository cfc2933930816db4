"""Tables, maps and provenance written from estimates."""
