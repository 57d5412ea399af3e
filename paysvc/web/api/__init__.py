"""One module per room of the API; `app.create_app` registers the blueprint of each."""
