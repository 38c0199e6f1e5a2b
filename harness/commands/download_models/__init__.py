"""``download_models.py``: models' files, downloaded or made."""
