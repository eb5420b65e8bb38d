"""The cells of a notebook."""


def code_cells(notebook):
    """(number, cell) of each cell of code, as a reader counts them."""
    return enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1)
