"""The quality report of a mosaic: advice, pictures and tables on one page that opens anywhere, offline."""

from imagery.report.page import quality_page

__all__ = ["quality_page"]
