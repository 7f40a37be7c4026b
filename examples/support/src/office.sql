-- A table as companies have it: no column for sync, written by other programs.
CREATE TABLE Company (
    CompanyId INTEGER PRIMARY KEY,
    Name      TEXT NOT NULL,
    City      TEXT,
    Phone     TEXT,
    VatNumber TEXT,
    CreatedAt DATETIME DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO Company (Name, City, Phone, VatNumber) VALUES
    ('Nordlicht Heating',   'Hamburg', '+49 40 555 0101', 'DE100000001'),
    ('Atelier Moreau',      'Lyon',    '+33 4 555 0102',  'FR100000002'),
    ('Borges Refrigeração', 'Porto',   '+351 22 555 0103','PT100000003'),
    ('Kestrel Lifts',       'Leeds',   '+44 113 555 0104','GB100000004'),
    ('Väinö Electric',      'Tampere', '+358 3 555 0105', 'FI100000005');
