"""Accounts, orders and products as one service."""
