"""The gateway at the edge: it holds a listener's session and joins the three model servers into a conversation."""
