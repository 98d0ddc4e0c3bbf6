"""The contract on the wire: each record beside its message, in both directions."""
