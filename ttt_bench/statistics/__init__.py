"""How sure a comparison is: paired block bootstrap, Holm, tie groups, seeds needed, ranks. Arrays in, numbers out."""
