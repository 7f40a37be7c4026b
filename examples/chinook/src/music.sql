-- A small music database with the tables of the example's configuration, for machines without the sample.
CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Name TEXT);
CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY, Title TEXT NOT NULL, ArtistId INTEGER NOT NULL REFERENCES Artist (ArtistId));
CREATE TABLE Track (
    TrackId INTEGER PRIMARY KEY, Name TEXT NOT NULL, AlbumId INTEGER REFERENCES Album (AlbumId), MediaTypeId INTEGER, GenreId INTEGER,
    Composer TEXT, Milliseconds INTEGER NOT NULL, Bytes INTEGER, UnitPrice NUMERIC(10, 2) NOT NULL
);
CREATE TABLE Customer (
    CustomerId INTEGER PRIMARY KEY, FirstName TEXT NOT NULL, LastName TEXT NOT NULL, Company TEXT, Address TEXT, City TEXT, State TEXT,
    Country TEXT, PostalCode TEXT, Phone TEXT, Fax TEXT, Email TEXT, SupportRepId INTEGER
);
CREATE TABLE Invoice (
    InvoiceId INTEGER PRIMARY KEY, CustomerId INTEGER NOT NULL REFERENCES Customer (CustomerId), InvoiceDate DATETIME NOT NULL,
    BillingAddress TEXT, BillingCity TEXT, BillingState TEXT, BillingCountry TEXT, BillingPostalCode TEXT, Total NUMERIC(10, 2) NOT NULL
);
CREATE TABLE InvoiceLine (
    InvoiceLineId INTEGER PRIMARY KEY, InvoiceId INTEGER NOT NULL REFERENCES Invoice (InvoiceId),
    TrackId INTEGER NOT NULL REFERENCES Track (TrackId), UnitPrice NUMERIC(10, 2) NOT NULL, Quantity INTEGER NOT NULL
);
CREATE TABLE PlaylistTrack (PlaylistId INTEGER NOT NULL, TrackId INTEGER NOT NULL, PRIMARY KEY (PlaylistId, TrackId));
INSERT INTO Artist (Name) VALUES ('Ash & Ember'), ('Bram Well'), (NULL);
INSERT INTO Album (Title, ArtistId) VALUES ('Station Road', 1), ('Mill Lane', 2);
INSERT INTO Track (Name, AlbumId, MediaTypeId, GenreId, Composer, Milliseconds, Bytes, UnitPrice) VALUES
    ('Platform Two', 1, 1, 1, 'A. Ember', 201000, 3400100, 0.99), ('Last Train', 1, 1, 1, NULL, 187500, NULL, 0.99),
    ('Wheel', 2, 1, 2, 'B. Well', 305200, 5100200, 1.29);
INSERT INTO Customer (FirstName, LastName, City, Email) VALUES
    ('Ada', 'Quist', 'Dunham', 'ada@example.org'), ('Bo', 'Ibáñez', NULL, 'bo@example.org'), ('Cy', 'Ng', 'Hull', NULL);
INSERT INTO Invoice (CustomerId, InvoiceDate, BillingCity, Total) VALUES
    (1, '2026-01-02 00:00:00', 'Dunham', 1.98), (2, '2026-02-03 00:00:00', NULL, 1.29);
INSERT INTO InvoiceLine (InvoiceId, TrackId, UnitPrice, Quantity) VALUES (1, 1, 0.99, 1), (1, 2, 0.99, 1), (2, 3, 1.29, 1);
INSERT INTO PlaylistTrack VALUES (1, 1), (1, 2), (2, 3);
