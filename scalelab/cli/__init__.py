"""The command line: arguments in, tables out. ``app`` assembles it; one module a command group."""
