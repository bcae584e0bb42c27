import csv, json, signal, sys

import duckdb

signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
setup, sql = sys.stdin.read().split("\0")
try:
    connection = duckdb.connect()
    connection.execute(setup)
    # A script's statements one by one, each with its answer.
    for statement in connection.extract_statements(sql):
        if sys.argv[1] == "table" and statement.type in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
            found = connection.sql(statement.query)
            if found is not None:
                found.show(max_rows=1 << 30, max_width=1 << 20)
            continue
        answer = connection.execute(statement)
        if answer.description is None:
            continue
        columns, rows = [column[0] for column in answer.description], answer.fetchall()
        if sys.argv[1] == "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        else:
            print(json.dumps([dict(zip(columns, row)) for row in rows], default=str, ensure_ascii=False))
except duckdb.Error as error:
    sys.exit(str(error))
