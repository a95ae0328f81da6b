"""How listeners reach the gateway: each module makes a `Peer` of one kind of connection."""
