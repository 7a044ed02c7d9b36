"""Interventions: the model run again on the same batch with its attention changed, to see whether what it attends to is used."""
