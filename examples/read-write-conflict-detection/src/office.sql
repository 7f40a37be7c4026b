-- Tables as an office has them: no column for sync.
CREATE TABLE work_order (id INTEGER PRIMARY KEY, title TEXT, state TEXT, remark TEXT);
INSERT INTO work_order VALUES
    (1, 'Boiler, Harbour Street 4', 'open', NULL),
    (2, 'Lift, Mill Lane 12', 'open', NULL),
    (3, 'Ventilation, Town Hall', 'open', NULL);
CREATE TABLE checklist (id INTEGER PRIMARY KEY, valves TEXT, filters TEXT);
INSERT INTO checklist VALUES (1, 'not checked', 'not checked');
