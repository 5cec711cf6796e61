-- Sums up amounts in order, without those that would bring the sum above a limit: what does not fit counts for nothing.
CREATE OR REPLACE AGGREGATE pg_temp.sum_fitting(amount numeric, max numeric) (
    SFUNC = pg_temp.add_if_fits, STYPE = numeric, INITCOND = '0');
