"""Bringing history in: imports from files and tables, export and restore of whole stores. This is its front door."""

from everfold.migration.csv_source import CsvSource
from everfold.migration.export import export_store
from everfold.migration.import_report import ImportReport
from everfold.migration.imports import run_import
from everfold.migration.json_lines_source import JsonLinesSource
from everfold.migration.mapping import Import, Imported
from everfold.migration.restore import restore_store
from everfold.migration.table_source import TableSource

__all__ = [
    "CsvSource",
    "Import",
    "ImportReport",
    "Imported",
    "JsonLinesSource",
    "TableSource",
    "export_store",
    "restore_store",
    "run_import",
]
