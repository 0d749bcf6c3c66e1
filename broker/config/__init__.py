"""A file or variables -> `settings.Settings`. Nothing else reads YAML, and nothing else reads the environment.

`resolve` is the way in. What it walks through, in order: `file` and `yaml12` (text to plain values that remember their
lines) or `environment`; `interpolate` (`${VAR}`); `shorthand` (what may be left unsaid is said, presets included);
`decode` (values to settings); `rules`. Each of them tells what is wrong and goes on, so that a person hears it all at
once. `show`, `schema` and `reference` go the other way, to people and editors.
"""
