"""What `demo` shows.

`stage` runs the embedded server, the broker and the sample workload, and feeds what happens into one queue; `tally`
counts it, `story` puts it into words, `plain` or `live` shows the words. `workload` is another program.
"""
