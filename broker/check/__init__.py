"""A dry run of the whole chain: what `token-broker check` finds out.

`run` goes through the clients side by side, `chain` through the steps of one, with the parts that the daemon has:
`files` looks at keys and other files, `heard` remembers what was asked and answered, `peer` who presented which
certificate. `evidence` makes of a failure what a person should read. What comes out is a `report`; `text` and `as_json`
show it.
"""
