-- The office's tables, as its other programs made them.
CREATE TABLE Customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, phone TEXT, discount REAL);
INSERT INTO Customer (name, city, phone) VALUES
    ('Nordlicht Heating', 'Hamburg', '+49 40 555 0101'),
    ('Atelier Moreau', 'Lyon', '+33 4 555 0102'),
    ('Kestrel Lifts', 'Leeds', '+44 113 555 0104');

CREATE TABLE Part (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER);
INSERT INTO Part (name, price) VALUES
    ('Pump', 12900), ('Gasket', 350), ('Thermostat', 4900), ('Igniter', 2700);

CREATE TABLE work_orders (
    id TEXT PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES Customer (id),
    title TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    note TEXT
);
INSERT INTO work_orders (id, customer_id, title, note) VALUES
    ('01900000-0000-7000-8000-000000000001', 1, 'Boiler does not start', 'ring twice'),
    ('01900000-0000-7000-8000-000000000002', 2, 'Replace the thermostat', NULL),
    ('01900000-0000-7000-8000-000000000003', 3, 'Yearly inspection', NULL);

CREATE TABLE reports (
    id TEXT PRIMARY KEY,
    work_order_id TEXT NOT NULL REFERENCES work_orders (id),
    text TEXT NOT NULL,
    minutes INTEGER
);
CREATE TABLE report_parts (
    id TEXT PRIMARY KEY,
    report_id TEXT NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
    part_id INTEGER NOT NULL REFERENCES Part (id),
    quantity INTEGER NOT NULL
);
