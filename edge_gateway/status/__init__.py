"""How this gateway and its servers are doing: figures for people and programs that have no metrics stack."""
