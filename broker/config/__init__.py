"""A file or variables -> `settings.Settings`. Nothing else reads YAML, and nothing else reads the environment.

`resolve` is the entry point. Its steps, in order: `file` and `yaml12` (text to plain values that remember their lines)
or `environment`; `interpolate` (`${VAR}`); `shorthand` (short forms and presets expanded); `decode` (values to
settings); `rules`. Each step collects complaints and continues, so that all are reported at once. `show`, `schema` and
`reference` go the other way, to people and editors.
"""
