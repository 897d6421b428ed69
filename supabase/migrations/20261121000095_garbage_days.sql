-- A day's sum has room for what a charger with a broken meter says all day long: its sessions are held, and must not
-- keep the day of the others at its station from being counted.
alter table public.station_days
    alter column energy_wh type numeric(20, 3),
    alter column held_energy_wh type numeric(20, 3);
