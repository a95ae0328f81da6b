"""How listeners reach the gateway: each makes a `ClientConnection`, and the web application serves the page."""
