"""What every wing speaks of: settings, tokens, events, errors, reasons. No I/O, no clock."""
